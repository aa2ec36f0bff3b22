"""Many runs: what is to be done, the processes that do it, how far they are."""
