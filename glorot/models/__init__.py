"""What is computed, without a loop: activations, losses, initializers, networks."""
