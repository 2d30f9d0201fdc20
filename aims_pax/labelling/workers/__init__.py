"""Labels on Parsl's workers: everything that knows Parsl."""
