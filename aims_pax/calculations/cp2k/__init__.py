"""What CP2K prints, with the files of a trajectory that it writes beside."""
