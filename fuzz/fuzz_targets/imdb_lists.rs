#![no_main]
convnet_fuzz::target!("imdb_lists");
