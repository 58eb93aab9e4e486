"""What is learnt, and where it is seen from."""
