"""What moves a face: the expression code, how it is measured, and what predicts it."""
