"""The forecasters, HMM and DBN: what they learn, how they look ahead, how they are kept."""
