"""What stops the hub from starting, told in one sentence with its fix."""


class HubError(Exception):
    """Shown to the user as it is, without a traceback."""
