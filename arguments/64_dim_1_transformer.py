"""GaussianTalker: dense planes, MLP decoders, cross-attention between Gaussians and audio. The baseline."""

ModelSettings = dict(
    attention="cross",
    decoder="mlp",
    planes="dense",
    ppe=False,
    static_init=True,
    feature_dim=64,
)
TrainingSettings = dict(
    coarse_iterations=1000,
    iterations=6000,
    coarse_batch=1,
    batch=8,
)
