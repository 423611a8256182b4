"""What a user can get wrong about a study."""


class StudyError(ValueError):
    """A study, search space, preset or storage that cannot be used as asked.

    Attributes:
        exit_code: Status the command line ends with.
    """

    exit_code = 1
