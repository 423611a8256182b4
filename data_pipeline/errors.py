"""What a user can get wrong about a data set."""


class DataError(ValueError):
    """A data set that cannot be read, split or trained on as asked.

    Attributes:
        exit_code: Status the command line ends with.
    """

    exit_code = 1
