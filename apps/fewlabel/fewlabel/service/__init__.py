"""The REST routes that MONAI Label lacks: /fewlabel/..."""
