"""The seed: a project written down in YAML, and loaded through the same doors that everybody else uses."""
