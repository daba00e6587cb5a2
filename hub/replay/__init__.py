"""Replay: events of a range read again and handed to the replay lane; live offsets are never touched."""
