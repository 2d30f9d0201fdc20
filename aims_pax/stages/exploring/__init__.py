"""Rounds of MD whose frames are labelled where models are likely to be wrong: starts, MD, judgement, the stage."""
