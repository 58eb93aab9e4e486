"""Kernels for NVIDIA GPUs: Triton's, and recorded CUDA graphs."""
