"""What stands between a person and a campaign, at a prompt or in a notebook: signals, clock, diary, live view."""
