"""Finds the packages; everything else about the project stands in setup.cfg."""

from setuptools import find_packages, setup

viz = [f"tinygrad_cnn.{name}" for name in find_packages(include=["viz", "viz.*"])]
setup(packages=[*find_packages(include=["tinygrad_cnn", "tinygrad_cnn.*"]), *viz])
