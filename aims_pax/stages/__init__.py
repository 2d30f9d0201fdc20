"""The stages of a campaign: what the learner decides is carried out here, with concrete parts."""
