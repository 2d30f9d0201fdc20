"""What is wrong with predictions, in tables and figures for a paper."""
