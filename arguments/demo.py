"""EGSTalker for the built-in sample: small enough to be learnt on two CPU cores in a few minutes."""

ModelSettings = dict(
    initial_gaussians=11000,
    sh_degree=0,
    plane_levels=6,
    plane_finest_resolution=256,
    plane_log2_entries=13,
    feature_dim=32,
    heads=2,
    agents=16,
)
TrainingSettings = dict(
    coarse_iterations=200,
    iterations=1700,
    coarse_batch=1,
    batch=2,
    motion_points=128,
    learner_share=0.25,
    max_gaussians=13000,
    torso_iterations=200,
    torso_batch=2,
    torso_gaussians=8000,
)
