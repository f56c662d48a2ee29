"""Programs that run in other environments, in a folder of their own.

A script's folder comes first on its import path, so nothing here may have the name of what a program imports.
"""
