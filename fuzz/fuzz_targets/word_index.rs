#![no_main]
convnet_fuzz::target!("word_index");
