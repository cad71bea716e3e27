"""The third stage: names resolved, variants and blocks expanded, arguments validated."""
