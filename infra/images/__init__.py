"""Container images of the tests and of compose.yaml: official ones where they can be pulled, else built here.

ensure_image("rabbitmq") -> name     pull or build, return what to run
present_image("rabbitmq") -> name    the same without any work: None when it would take some
"""

from infra.images.catalogue import IMAGES
from infra.images.provision import ImageUnavailable, ensure_image, present_image

__all__ = ["IMAGES", "ImageUnavailable", "ensure_image", "present_image"]
