#![no_main]
convnet_fuzz::target!("hdf5");
