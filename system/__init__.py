"""What any program needs: files, errors, progress, threads. Nothing of BERT."""
