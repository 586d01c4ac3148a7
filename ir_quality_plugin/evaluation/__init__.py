"""Evaluation of folders of restored images: resumable, over any number of processes, with stated uncertainty."""
