"""What training and evaluation both need of pictures: PSNR, SSIM, LPIPS, boxes, masks, error maps."""
