#![no_main]
convnet_fuzz::target!("keras_members");
