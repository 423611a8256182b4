"""What a user can get wrong about a model."""


class ModelError(ValueError):
    """A network, optimizer or weights file that cannot be used as asked.

    Attributes:
        exit_code: Status the command line ends with.
    """

    exit_code = 1
