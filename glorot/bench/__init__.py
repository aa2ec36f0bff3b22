"""How fast the kernels are: beside PyTorch's, and beside the machine's limits."""
