"""What families have in common whose models are evaluated in processes of their own.

Their packages are Fortran with global state, have licences of their own, or need another PyTorch than MACE.
"""
