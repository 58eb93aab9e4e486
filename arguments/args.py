"""EGSTalker: hash tri-plane, KAN decoders, efficient spatial-audio attention. The default, made for a GPU."""

ModelSettings = dict(
    attention="esaa",
    decoder="kan",
    planes="hash",
    ppe=True,
    static_init=True,
)
TrainingSettings = dict(
    coarse_iterations=1000,
    iterations=6000,
    coarse_batch=1,
    batch=8,
)
