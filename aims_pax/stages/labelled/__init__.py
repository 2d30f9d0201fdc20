"""Stages that label structures that are known beforehand."""
