"""Networks of cuda-convnet and cuda-convnet2, from their layer and parameter files."""
