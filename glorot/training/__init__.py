"""One run: settings in, outcome out; its examples, its probes, its saved states."""
