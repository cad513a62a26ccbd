"""What tests of all members share: the pytest plugin, engines for suites, fakes, waiting. Needs the extra `testing`."""
