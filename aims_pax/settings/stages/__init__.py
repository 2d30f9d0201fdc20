"""The stages of a campaign: the settings of each kind, and the list that a project makes of them."""
