#![no_main]
convnet_fuzz::target!("weights_h5");
