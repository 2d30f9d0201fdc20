"""What ORCA prints, and its files of gradients."""
