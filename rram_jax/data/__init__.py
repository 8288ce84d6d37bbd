from rram_jax.data.augment import augment as augment
from rram_jax.data.codes import input_codes as input_codes
from rram_jax.data.datasets import Dataset as Dataset
from rram_jax.data.datasets import load_dataset as load_dataset
from rram_jax.data.idx import read_idx as read_idx
