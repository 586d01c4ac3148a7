"""The only place that imports basicsr or pyiqa. Importing it makes `import basicsr` work on current torchvision."""

from .torchvision_shim import install

install()
