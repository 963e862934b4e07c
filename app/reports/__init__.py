"""`/v1/jobs/{job}/report`: the proof, the receipt and the lineage, as JSON and as one page to forward."""
