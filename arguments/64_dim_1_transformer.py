"""The baseline, GaussianTalker's modules in our training: dense planes, MLP decoders, cross-attention to the audio."""

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
