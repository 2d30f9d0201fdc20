"""Commands that say what models are worth."""
