#pragma once

#include "CoreMinimal.h"
#include "Templates/SharedPointer.h"
#include "UObject/Object.h"

#include "Avatar3DAsset.generated.h"

namespace a3d
{
	struct Avatar;
}

/** A Gaussian head, and the motion with its sound that it was exported with: an .a3d file as an asset. */
UCLASS(BlueprintType)
class AVATAR3D_API UAvatar3DAsset : public UObject
{
	GENERATED_BODY()

public:
	/**
	 * Take the bytes of an .a3d file.
	 * @return Whether they are one that is whole; if not, the asset stays as it was and OutError says what is wrong.
	 */
	bool SetBytes(TArray<uint8>&& InBytes, FString& OutError);

	/** Read an .a3d file while the game runs. Null, and a line in the log, where it cannot be read. */
	UFUNCTION(BlueprintCallable, Category = "Avatar3D")
	static UAvatar3DAsset* LoadFile(const FString& Path);

	/** What the C++ runtime poses; null where the asset is empty. It does not change, so that any thread may keep it. Game thread. */
	TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe> GetAvatar() const;

	/** Which head the rig's channels are of; empty where the asset is empty or says nothing of it. Game thread. */
	const FString& GetFingerprint() const;

	/** Gaussians of the head. */
	UPROPERTY(VisibleAnywhere, BlueprintReadOnly, Category = "Avatar3D")
	int32 NumGaussians = 0;

	/** How long the motion lasts; 0 where there is none. */
	UPROPERTY(VisibleAnywhere, BlueprintReadOnly, Category = "Avatar3D")
	float Seconds = 0.0f;

	/** Who this is and with what consent, as JSON. Show it where you show the head, and that the head is synthetic. */
	UPROPERTY(VisibleAnywhere, BlueprintReadOnly, Category = "Avatar3D")
	FString About;

private:
	UPROPERTY()
	TArray<uint8> Bytes;

	mutable TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe> Avatar;
	mutable FString Fingerprint;
	/** Whether the saved bytes cannot be read, which has been told. */
	mutable bool bUnreadable = false;
};
