"""A trained network as files to deploy, each compared with the network and measured.

`folder` reads them back without the study, torch's pickles or anything that runs code.
"""
