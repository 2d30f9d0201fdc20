"""Where references run: in this process, or on Parsl's workers. Both pools answer in values and keep what they got."""
