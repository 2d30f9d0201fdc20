"""Committees of DeePMD-kit's models, trained by its own commands and evaluated in its own environment.

DeePMD-kit needs another PyTorch than MACE: nothing of it is imported here.
"""
