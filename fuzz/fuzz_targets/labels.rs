#![no_main]
convnet_fuzz::target!("labels");
