#![no_main]
convnet_fuzz::target!("keras_h5");
