"""What a person sees of a campaign: the live view, the diary, the figures."""
