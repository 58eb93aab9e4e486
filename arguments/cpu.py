"""EGSTalker sized for a laptop's CPU: fewer Gaussians, a narrower network, small batches."""

ModelSettings = dict(
    initial_gaussians=20000,
    sh_degree=0,
    plane_levels=6,
    plane_finest_resolution=256,
    plane_log2_entries=13,
    feature_dim=32,
    heads=2,
    agents=16,
)
TrainingSettings = dict(
    coarse_iterations=300,
    iterations=3000,
    coarse_batch=1,
    batch=2,
    motion_points=128,
    learner_share=0.25,
    max_gaussians=26000,
    torso_iterations=400,
    torso_batch=2,
    torso_gaussians=12000,
)
