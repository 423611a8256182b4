"""What Keras needs to load a user's own layers."""

from __future__ import annotations

import ast
from textwrap import dedent

from models.companion import layers_text
from models.source import Source

TEXT = dedent(
    '''
    """My networks."""
    from __future__ import annotations

    import keras
    from hpo import Choice, network
    import hpo

    WIDTH = 3  # of everything


    class Scale(keras.layers.Layer):
        """Scales."""


    @network(
        filters=Choice(1, 2),
    )
    def plain(images, *, filters):
        return images
    '''
)


def test_the_networks_and_hpo_are_left_out() -> None:
    """The rest stays as it is written, comments too, and the classes are registered."""
    text = layers_text(Source("my_networks.py", TEXT), {"plain"}, ["Scale"])
    ast.parse(text)
    assert "hpo import" not in text
    assert "import hpo" not in text
    assert "plain" not in text
    assert "WIDTH = 3  # of everything" in text
    assert "register_keras_serializable('my_networks', 'Scale')(Scale)" in text
    compile(text, "layers.py", "exec")
